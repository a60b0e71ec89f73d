# mmseg's own SegNeXt-T, EncoderDecoder and LightHamHead, to be measured beside ours; see docs/benchmarks/README.md.
# 4.26 M parameters, 6.40 GMACs at 512x512. Timed only.
# python tools/analysis/latency.py configs/benchmarks/lighthamhead_mscan-t_8xb2-160k_ade20k-512x512.py
_base_ = '../scaseg/scaseg_mscan-t_8xb2-160k_ade20k-512x512.py'

model = dict(
    type='EncoderDecoder',
    pretrained=None,
    backbone=dict(norm_cfg=dict(type='BN', requires_grad=True)),  # the stock segmentor does not turn SyncBN into BN
    decode_head=dict(
        _delete_=True,
        type='LightHamHead',
        in_channels=[64, 160, 256],
        in_index=[1, 2, 3],
        channels=256,
        ham_channels=256,
        ham_kwargs=dict(MD_S=1, MD_R=16, train_steps=6, eval_steps=7, inv_t=100, rand_init=True),
        dropout_ratio=0.1,
        num_classes={{_base_.num_classes}},
        norm_cfg=dict(type='GN', num_groups=32, requires_grad=True),
        loss_decode=dict(type='CrossEntropyLoss'),
    ),
)
