# SegViT's decoder (arXiv 2210.05844) with EfficientNet-Lite0 on CamVid: real images on a CPU.
# 6.20 M parameters, 1.44 GMACs at 288x288.
# python tools/train.py configs/segvit/segvit_efficientnet-lite0_1xb8-1500it_camvid-288x288.py
_base_ = '../scaseg/scaseg_efficientnet-lite0_1xb8-1500it_camvid-288x288.py'

model = dict(
    decode_head=dict(
        _delete_=True,
        type='ATMHead',
        in_channels=[24, 40, 112, 320],
        embed_dims=128,
        num_heads=4,
        num_classes={{_base_.num_classes}},
        loss_decode=dict(type='ATMLoss'),
    ),
)
optim_wrapper = dict(clip_grad=dict(max_norm=35, norm_type=2))
