# SegViT's decoder (arXiv 2210.05844) on the encoder, the levels and the recipe of the quickstart.
# 0.84 M parameters, 0.08 GMACs at 128x128. Runs on a CPU in minutes.
# python tools/train.py configs/segvit/segvit_convnext-atto_1xb8-1500it_toyscenes-128x128.py
_base_ = '../scaseg/scaseg_convnext-atto_1xb8-1500it_toyscenes-128x128.py'

model = dict(
    decode_head=dict(
        _delete_=True,
        type='ATMHead',
        in_channels=[32, 64, 128],
        embed_dims=64,
        num_heads=4,
        num_classes={{_base_.num_classes}},
        loss_decode=dict(type='ATMLoss'),
    ),
)
optim_wrapper = dict(clip_grad=dict(max_norm=35, norm_type=2))
