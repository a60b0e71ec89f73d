# SegNeXt's code spares from weight decay what is called "norm": not the norms of the stem, nor those of the head.
_base_ = './adamw_160k.py'

optim_wrapper = dict(paramwise_cfg=dict(norm_decay_mult=1.0, custom_keys=dict(norm=dict(decay_mult=0.0))))
