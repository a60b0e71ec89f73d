# SEA attention, as SEAHead has it (our construction, see docs/seaformer.md), with EfficientNet-Lite0 on CamVid.
# 4.84 M parameters, 0.88 GMACs at 288x288. Not run here.
# python tools/train.py configs/seaformer/sea_efficientnet-lite0_1xb8-1500it_camvid-288x288.py
_base_ = '../scaseg/scaseg_efficientnet-lite0_1xb8-1500it_camvid-288x288.py'

model = dict(
    decode_head=dict(
        _delete_=True,
        type='SEAHead',
        in_channels=[24, 40, 112, 320],
        num_heads=[1, 2, 4, 8],
        channels=128,
        num_classes={{_base_.num_classes}},
    ),
)
