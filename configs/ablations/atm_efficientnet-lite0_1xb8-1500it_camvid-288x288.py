# Attention-to-mask (arXiv 2210.05844) in place of SCASeg's decoder: EfficientNet-Lite0 on CamVid, all else equal.
# 6.20 M parameters, 1.44 GMACs at 288x288. Results in docs/ablations.md.
# python tools/train.py configs/ablations/atm_efficientnet-lite0_1xb8-1500it_camvid-288x288.py
_base_ = '../scaseg/scaseg_efficientnet-lite0_1xb8-1500it_camvid-288x288.py'

model = dict(
    decode_head=dict(
        _delete_=True,
        type='ATMHead',
        in_channels=[24, 40, 112, 320],
        embed_dims=128,
        num_heads=4,
        num_classes={{_base_.num_classes}},
    )
)
