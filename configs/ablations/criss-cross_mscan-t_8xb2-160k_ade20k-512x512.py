# Criss-cross attention (arXiv 1811.11721) in place of SCASeg's decoder: MSCAN-T on ADE20K, all else equal.
# 5.35 M parameters, 10.77 GMACs at 512x512. Not run here.
# bash tools/dist_train.sh configs/ablations/criss-cross_mscan-t_8xb2-160k_ade20k-512x512.py 8
_base_ = '../scaseg/scaseg_mscan-t_8xb2-160k_ade20k-512x512.py'

model = dict(
    decode_head=dict(
        _delete_=True,
        type='RCCAHead',
        in_index=[1, 2, 3],
        in_channels=[64, 160, 256],
        input_transform='resize_concat',
        norm_cfg=dict(type='SyncBN', requires_grad=True),
        channels=128,
        num_classes={{_base_.num_classes}},
    )
)
