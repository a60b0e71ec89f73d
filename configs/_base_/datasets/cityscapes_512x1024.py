"""Cityscapes, 19 classes; crops of 512 x 1024 (H x W) at full resolution, tested at 2048 x 1024."""

_base_ = './cityscapes_1024x1024.py'

crop_size = (512, 1024)

train_pipeline = [
    dict(step, crop_size=crop_size) if step['type'] == 'RandomCrop' else step for step in _base_.train_pipeline
]

train_dataloader = dict(batch_size=2, dataset=dict(pipeline=train_pipeline))
