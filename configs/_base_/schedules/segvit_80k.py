_base_ = './adamw_80k.py'

optim_wrapper = dict(
    optimizer=dict(lr=2e-5),
    clip_grad=dict(max_norm=35, norm_type=2),
    paramwise_cfg=dict(norm_decay_mult=1.0, custom_keys=dict(ln=dict(decay_mult=0.0))),
)
