# SeaFormer's: no decay on its position embeddings, decay on its norms (the official key for norms matches none).
_base_ = './adamw_160k.py'

optim_wrapper = dict(paramwise_cfg=dict(norm_decay_mult=1.0, custom_keys=dict(pos_embed=dict(decay_mult=0.0))))
