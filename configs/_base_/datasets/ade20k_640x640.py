"""ADE20K, crops of 640 x 640 from images with a shorter side of 320 to 1280."""

_base_ = './ade20k_512x512.py'

crop_size = (640, 640)
img_scale = (2048, 640)
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
            *_base_.tta_pipeline[1]['transforms'][1:],
        ],
    ),
]

train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
