# Attention-to-mask (arXiv 2210.05844) in place of SCASeg's decoder: MSCAN-T on ADE20K, all else equal.
# 7.18 M parameters, 17.06 GMACs at 512x512. Not run here.
# bash tools/dist_train.sh configs/ablations/atm_mscan-t_8xb2-160k_ade20k-512x512.py 8
_base_ = '../scaseg/scaseg_mscan-t_8xb2-160k_ade20k-512x512.py'

model = dict(
    decode_head=dict(
        _delete_=True,
        type='ATMHead',
        in_channels=[32, 64, 160, 256],
        embed_dims=128,
        num_heads=4,
        num_classes={{_base_.num_classes}},
    )
)
