# SeaFormer-T (arXiv 2301.13156), encoder and light head, from scratch on the scenes and the recipe of the quickstart.
# 1.65 M parameters, 0.03 GMACs at 128x128. Results in docs/ablations.md.
# python tools/train.py configs/seaformer/seaformer_seaformer-t_1xb8-1500it_toyscenes-128x128.py
_base_ = [
    '../_base_/models/seaformer_seaformer-t.py',
    '../_base_/datasets/toyscenes_128x128.py',
    '../_base_/schedules/adamw_1500it.py',
    '../_base_/default_runtime.py',
]

model = dict(
    data_preprocessor=dict(size={{_base_.crop_size}}),
    pretrained=None,
    decode_head=dict(num_classes={{_base_.num_classes}}),
)
optim_wrapper = dict(optimizer=dict(lr=2e-3), paramwise_cfg=dict(custom_keys=dict(decode_head=dict(lr_mult=1.0))))
