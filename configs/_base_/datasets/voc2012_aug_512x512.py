"""Pascal VOC 2012, 21 classes, trained with the additional labels of SBD ("aug"); ADE20K's recipe."""

_base_ = './ade20k_512x512.py'

dataset_type = 'PascalVOCDataset'
data_root = 'data/VOCdevkit/VOC2012'
num_classes = 21

train_pipeline = [
    dict(step, num_classes=num_classes) if step['type'] == 'CheckLabels' else step for step in _base_.train_pipeline
]
test_pipeline = [
    dict(step, num_classes=num_classes) if step['type'] == 'CheckLabels' else step for step in _base_.test_pipeline
]

# The labels of VOC where there are any (1464 images), those of SBD for the other 9118: they lie in two folders.
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='ConcatDataset',
        datasets=[
            dict(
                type=dataset_type,
                data_root=data_root,
                data_prefix=dict(img_path='JPEGImages', seg_map_path=labels),
                ann_file=f'ImageSets/Segmentation/{split}.txt',
                pipeline=train_pipeline,
            )
            for split, labels in (('train', 'SegmentationClass'), ('aug', 'SegmentationClassAug'))
        ],
    )
)
val_dataloader = dict(
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClass'),
        ann_file='ImageSets/Segmentation/val.txt',
        pipeline=test_pipeline,
    )
)
test_dataloader = val_dataloader

test_evaluator = dict(palette=True)  # saved predictions are indexed PNG, as the benchmark's server takes them
