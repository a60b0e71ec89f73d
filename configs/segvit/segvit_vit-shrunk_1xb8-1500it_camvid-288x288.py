# SegViT Shrunk (arXiv 2210.05844) in miniature on real images, from scratch. Results in docs/segvit.md.
# 1.33 M parameters, 0.09 GMACs at 288x288. Runs on a CPU.
# python tools/train.py configs/segvit/segvit_vit-shrunk_1xb8-1500it_camvid-288x288.py
_base_ = [
    '../_base_/models/segvit_vit-shrunk-tiny.py',
    '../_base_/datasets/camvid_288x288.py',
    '../_base_/schedules/adamw_1500it.py',
    '../_base_/default_runtime.py',
]

model = dict(
    data_preprocessor=dict(mean=[127.0] * 3, std=[128.0] * 3, size={{_base_.crop_size}}),
    backbone=dict(img_size={{_base_.crop_size}}, patch_size=32),
    decode_head=dict(grid_size=(9, 9), num_classes={{_base_.num_classes}}),
)
optim_wrapper = dict(
    optimizer=dict(lr=1e-3),
    paramwise_cfg=dict(custom_keys=dict(decode_head=dict(lr_mult=1.0))),
    clip_grad=dict(max_norm=35, norm_type=2),
)
