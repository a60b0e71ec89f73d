# SegViT Shrunk (arXiv 2210.05844) in miniature, from scratch: its head finds its way by the encoder's positions.
# 1.17 M parameters, 0.06 GMACs at 128x128. Runs on a CPU in half an hour; see docs/segvit.md.
# python tools/train.py configs/segvit/segvit_vit-shrunk_1xb8-6000it_toyscenes-128x128.py
_base_ = [
    '../_base_/models/segvit_vit-shrunk-tiny.py',
    '../_base_/datasets/toyscenes_128x128.py',
    '../_base_/schedules/adamw_1500it.py',
    '../_base_/default_runtime.py',
]

optim_wrapper = dict(
    optimizer=dict(lr=1e-3),
    paramwise_cfg=dict(custom_keys=dict(decode_head=dict(lr_mult=1.0))),
    clip_grad=dict(max_norm=35, norm_type=2),
)

max_iters = 6000  # a learned position has to find its place in the image first
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=100),
    dict(type='PolyLR', power=1.0, eta_min=0.0, by_epoch=False, begin=100, end=max_iters),
]
train_cfg = dict(max_iters=max_iters, val_interval=600)
