"""Cityscapes at half its size, 19 classes: images of 1024 x 512 (W x H), crops of 512 x 1024 (H x W)."""

_base_ = './cityscapes_1024x1024.py'

crop_size = (512, 1024)
img_scale = (1024, 512)

changes = dict(RandomResize=dict(scale=img_scale), RandomCrop=dict(crop_size=crop_size), Resize=dict(scale=img_scale))
train_pipeline = [dict(step, **changes.get(step['type'], {})) for step in _base_.train_pipeline]
test_pipeline = [dict(step, **changes.get(step['type'], {})) for step in _base_.test_pipeline]
tta_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(
        type='TestTimeAug',
        transforms=[
            [
                dict(type='Resize', scale=(int(img_scale[0] * ratio), int(img_scale[1] * ratio)), keep_ratio=True)
                for ratio in (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)
            ],
            [dict(type='RandomFlip', prob=0.0), dict(type='RandomFlip', prob=1.0)],
            [dict(type='LoadAnnotations')],
            [dict(type='PackSegInputs')],
        ],
    ),
]

train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
