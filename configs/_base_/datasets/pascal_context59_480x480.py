"""Pascal Context without its background: 59 classes, from the label files of the 60 with 0 ignored."""

_base_ = './pascal_context_480x480.py'

dataset_type = 'PascalContextDataset59'
num_classes = 59

train_pipeline = [
    dict(step, num_classes=num_classes) if step['type'] == 'CheckLabels' else step for step in _base_.train_pipeline
]
test_pipeline = [
    dict(step, num_classes=num_classes) if step['type'] == 'CheckLabels' else step for step in _base_.test_pipeline
]

train_dataloader = dict(dataset=dict(type=dataset_type, pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(type=dataset_type, pipeline=test_pipeline))
test_dataloader = val_dataloader
