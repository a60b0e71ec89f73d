# SEA attention (arXiv 2301.13156) in place of SCASeg's decoder: MSCAN-T on ADE20K, all else equal.
# 5.49 M parameters, 6.14 GMACs at 512x512. Not run here.
# bash tools/dist_train.sh configs/ablations/sea_mscan-t_8xb2-160k_ade20k-512x512.py 8
_base_ = '../scaseg/scaseg_mscan-t_8xb2-160k_ade20k-512x512.py'

model = dict(
    decode_head=dict(
        _delete_=True,
        type='SEAHead',
        in_channels=[32, 64, 160, 256],
        num_heads=[1, 2, 5, 8],
        norm_cfg=dict(type='SyncBN', requires_grad=True),
        channels=128,
        num_classes={{_base_.num_classes}},
    )
)
