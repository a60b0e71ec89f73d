"""ToyScenes, 10 classes, painted when asked for: no files, no downloads."""

dataset_type = 'ToyScenes'
num_classes = 10
crop_size = (128, 128)

# The data set gives images and labels as if loaded and leaves the loaders out, which pictures from files go through.
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
test_pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
# The scenes have one scale; the view without a flip stands first, because evaluation takes its label.
tta_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(
        type='TestTimeAug',
        transforms=[
            [dict(type='RandomFlip', prob=0.0), dict(type='RandomFlip', prob=1.0)],
            [dict(type='PackSegInputs')],
        ],
    ),
]

train_dataloader = dict(
    batch_size=8,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(type=dataset_type, split='train', size=2000, image_size=crop_size, seed=0, pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(type=dataset_type, split='val', size=200, image_size=crop_size, seed=0, pipeline=test_pipeline),
)
test_dataloader = val_dataloader

val_evaluator = dict(type='ConfusionMetric')
test_evaluator = val_evaluator
