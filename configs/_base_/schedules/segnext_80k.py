_base_ = './adamw_80k.py'

optim_wrapper = dict(paramwise_cfg=dict(norm_decay_mult=1.0, custom_keys=dict(norm=dict(decay_mult=0.0))))
