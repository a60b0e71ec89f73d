"""Cityscapes, 19 classes; crops of 769 x 769 from images scaled by 0.75 to 2 (CCNet), tested at 2048 x 1024."""

_base_ = './cityscapes_1024x1024.py'

crop_size = (769, 769)

changes = dict(RandomCrop=dict(crop_size=crop_size), RandomResize=dict(ratio_range=(0.75, 2.0)))
train_pipeline = [dict(step, **changes.get(step['type'], {})) for step in _base_.train_pipeline]

train_dataloader = dict(batch_size=2, dataset=dict(pipeline=train_pipeline))
