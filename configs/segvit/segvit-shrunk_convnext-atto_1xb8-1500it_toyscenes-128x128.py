# The head of SegViT Shrunk (arXiv 2210.05844), which up-samples by queries, on the encoder and recipe of the quickstart.
# 0.85 M parameters, 0.22 GMACs at 128x128. Runs on a CPU in minutes.
# python tools/train.py configs/segvit/segvit-shrunk_convnext-atto_1xb8-1500it_toyscenes-128x128.py
_base_ = '../scaseg/scaseg_convnext-atto_1xb8-1500it_toyscenes-128x128.py'

model = dict(
    backbone=dict(out_indices=(1, 2)),
    decode_head=dict(
        _delete_=True,
        type='ShrunkATMHead',
        in_channels=[64, 128],
        embed_dims=64,
        num_heads=4,
        grid_size=(16, 16),
        num_classes={{_base_.num_classes}},
    ),
)
optim_wrapper = dict(clip_grad=dict(max_norm=35, norm_type=2))
