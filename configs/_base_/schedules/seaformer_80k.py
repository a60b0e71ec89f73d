# As seaformer_160k.py, half as long and with the rate of the official configs of this length.
_base_ = './adamw_80k.py'

optim_wrapper = dict(
    optimizer=dict(lr=2e-4),
    paramwise_cfg=dict(norm_decay_mult=1.0, custom_keys=dict(pos_embed=dict(decay_mult=0.0))),
)
