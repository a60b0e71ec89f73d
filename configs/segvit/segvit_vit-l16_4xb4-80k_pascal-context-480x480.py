# SegViT (arXiv 2210.05844) with ViT-L/16 on Pascal Context, 60 classes, official recipe, see docs/segvit.md.
# 343.49 M parameters, 321.57 GMACs at 480x480. Not run here.
# bash tools/dist_train.sh configs/segvit/segvit_vit-l16_4xb4-80k_pascal-context-480x480.py 4
_base_ = [
    '../_base_/models/segvit_vit-l16.py',
    '../_base_/datasets/pascal_context_480x480.py',
    '../_base_/schedules/segvit_80k.py',
    '../_base_/default_runtime.py',
]

model = dict(
    data_preprocessor=dict(size={{_base_.crop_size}}),
    backbone=dict(img_size={{_base_.crop_size}}),
    decode_head=dict(num_classes={{_base_.num_classes}}),
    test_cfg=dict(crop_size={{_base_.crop_size}}, stride=(320, 320)),
)
optim_wrapper = dict(optimizer=dict(weight_decay=0.03))
train_dataloader = dict(batch_size=4)
# no image is smaller than the window
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='ResizeShortestEdge', scale=520, max_size=10**6),
    dict(type='LoadAnnotations'),
    dict(type='CheckLabels', num_classes={{_base_.num_classes}}),
    dict(type='PackSegInputs'),
]
tta_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(
        type='TestTimeAug',
        transforms=[
            [
                dict(type='ResizeShortestEdge', scale=max(480, int(520 * ratio)), max_size=10**6)
                for ratio in (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)
            ],
            [dict(type='RandomFlip', prob=0.0), dict(type='RandomFlip', prob=1.0)],
            [dict(type='LoadAnnotations')],
            [dict(type='PackSegInputs')],
        ],
    ),
]
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
