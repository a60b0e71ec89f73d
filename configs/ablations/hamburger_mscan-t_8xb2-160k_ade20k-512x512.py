# Hamburger (arXiv 2209.08575) in place of SCASeg's decoder: MSCAN-T on ADE20K, all else equal.
# 4.03 M parameters, 5.33 GMACs at 512x512. Not run here.
# bash tools/dist_train.sh configs/ablations/hamburger_mscan-t_8xb2-160k_ade20k-512x512.py 8
_base_ = '../scaseg/scaseg_mscan-t_8xb2-160k_ade20k-512x512.py'

model = dict(
    decode_head=dict(
        _delete_=True,
        type='HamburgerHead',
        in_index=[1, 2, 3],
        in_channels=[64, 160, 256],
        hamburger=dict(type='Hamburger', rank=16),
        norm_cfg=dict(type='GN', num_groups=32),
        channels=128,
        num_classes={{_base_.num_classes}},
    )
)
