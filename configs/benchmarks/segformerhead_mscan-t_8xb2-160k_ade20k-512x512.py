# mmseg's own EncoderDecoder and SegformerHead on MSCAN-T, to be measured beside ours; see docs/benchmarks/README.md.
# 4.34 M parameters, 9.82 GMACs at 512x512. Timed only.
# python tools/analysis/latency.py configs/benchmarks/segformerhead_mscan-t_8xb2-160k_ade20k-512x512.py
_base_ = '../scaseg/scaseg_mscan-t_8xb2-160k_ade20k-512x512.py'

norm_cfg = dict(type='BN', requires_grad=True)  # the stock segmentor does not turn SyncBN into BN on a CPU
model = dict(
    type='EncoderDecoder',
    pretrained=None,
    backbone=dict(norm_cfg=norm_cfg),
    decode_head=dict(
        _delete_=True,
        type='SegformerHead',
        in_channels=[32, 64, 160, 256],
        in_index=[0, 1, 2, 3],
        channels=256,
        num_classes={{_base_.num_classes}},
        norm_cfg=norm_cfg,
        loss_decode=dict(type='CrossEntropyLoss'),
    ),
)
