# SegViT Shrunk (arXiv 2210.05844) in miniature, from scratch: its head finds its way by the encoder's positions.
# 1.17 M parameters, 0.06 GMACs at 128x128. Runs on a CPU in half an hour; see docs/segvit.md.
# python tools/train.py configs/segvit/segvit_vit-shrunk_1xb8-6000it_toyscenes-128x128.py
_base_ = '../scaseg/scaseg_convnext-atto_1xb8-1500it_toyscenes-128x128.py'

model = dict(
    backbone=dict(
        _delete_=True,
        type='ShrunkVisionTransformer',
        embed_dims=64,
        num_layers=6,
        num_heads=4,
        img_size={{_base_.crop_size}},
        patch_size=16,
        out_indices=(1, 5),
        shrink_at=2,
    ),
    decode_head=dict(
        _delete_=True,
        type='ShrunkATMHead',
        in_channels=[64, 64],
        embed_dims=128,
        num_heads=2,
        grid_size=(8, 8),
        num_layers=1,
        dropout=0.0,
        num_classes={{_base_.num_classes}},
    ),
)
optim_wrapper = dict(optimizer=dict(lr=1e-3), clip_grad=dict(max_norm=35, norm_type=2))

max_iters = 6000  # a learned position has to find its place in the image first
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=100),
    dict(type='PolyLR', power=1.0, eta_min=0.0, by_epoch=False, begin=100, end=max_iters),
]
train_cfg = dict(max_iters=max_iters, val_interval=600)
