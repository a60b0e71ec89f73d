# SegFormer's MLP head (arXiv 2105.15203) in place of SCASeg's decoder: MSCAN-T on ADE20K, all else equal.
# 4.05 M parameters, 5.44 GMACs at 512x512. Not run here.
# bash tools/dist_train.sh configs/ablations/segformer-mlp_mscan-t_8xb2-160k_ade20k-512x512.py 8
_base_ = '../scaseg/scaseg_mscan-t_8xb2-160k_ade20k-512x512.py'

model = dict(
    decode_head=dict(
        _delete_=True,
        type='SegFormerMLPHead',
        in_channels=[32, 64, 160, 256],
        norm_cfg=dict(type='SyncBN', requires_grad=True),
        channels=128,
        num_classes={{_base_.num_classes}},
    )
)
