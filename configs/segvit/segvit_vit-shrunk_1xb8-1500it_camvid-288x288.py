# SegViT Shrunk (arXiv 2210.05844) in miniature on real images, from scratch. Results in docs/segvit.md.
# 1.33 M parameters, 0.09 GMACs at 288x288. Runs on a CPU.
# python tools/train.py configs/segvit/segvit_vit-shrunk_1xb8-1500it_camvid-288x288.py
_base_ = '../scaseg/scaseg_efficientnet-lite0_1xb8-1500it_camvid-288x288.py'

model = dict(
    pretrained=None,
    backbone=dict(
        _delete_=True,
        type='ShrunkVisionTransformer',
        embed_dims=64,
        num_layers=6,
        num_heads=4,
        img_size={{_base_.crop_size}},
        patch_size=32,
        out_indices=(1, 5),
        shrink_at=2,
    ),
    decode_head=dict(
        _delete_=True,
        type='ShrunkATMHead',
        in_channels=[64, 64],
        embed_dims=128,
        num_heads=2,
        grid_size=(9, 9),
        num_layers=1,
        dropout=0.0,
        num_classes={{_base_.num_classes}},
    ),
)
optim_wrapper = dict(
    optimizer=dict(lr=1e-3),
    paramwise_cfg=dict(custom_keys=dict(decode_head=dict(lr_mult=1.0))),
    clip_grad=dict(max_norm=35, norm_type=2),
)
