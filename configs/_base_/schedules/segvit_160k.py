# SegViT's code spares from weight decay what is called "ln": the norms of the encoder, not those of the head.
_base_ = './adamw_160k.py'

optim_wrapper = dict(
    optimizer=dict(lr=2e-5),
    clip_grad=dict(max_norm=35, norm_type=2),
    paramwise_cfg=dict(norm_decay_mult=1.0, custom_keys=dict(ln=dict(decay_mult=0.0))),
)
