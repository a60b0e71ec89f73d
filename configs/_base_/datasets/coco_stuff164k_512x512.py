"""COCO-Stuff 164k, 171 classes; ADE20K's recipe."""

_base_ = './ade20k_512x512.py'

dataset_type = 'COCOStuffDataset'
data_root = 'data/coco_stuff164k'
num_classes = 171

train_pipeline = [
    dict(step, num_classes=num_classes) if step['type'] == 'CheckLabels' else step for step in _base_.train_pipeline
]
test_pipeline = [
    dict(step, num_classes=num_classes) if step['type'] == 'CheckLabels' else step for step in _base_.test_pipeline
]

train_dataloader = dict(
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        data_prefix=dict(img_path='images/train2017', seg_map_path='annotations/train2017'),
        pipeline=train_pipeline,
    )
)
val_dataloader = dict(
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        data_prefix=dict(img_path='images/val2017', seg_map_path='annotations/val2017'),
        pipeline=test_pipeline,
    )
)
test_dataloader = val_dataloader
