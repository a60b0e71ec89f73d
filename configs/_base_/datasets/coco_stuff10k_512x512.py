"""COCO-Stuff 10k: the classes and the recipe of 164k; its label files hold 1..171 and 0 for unlabelled."""

_base_ = './coco_stuff164k_512x512.py'

data_root = 'data/coco_stuff10k'

train_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        data_prefix=dict(img_path='images/train2014', seg_map_path='annotations/train2014'),
        reduce_zero_label=True,
    )
)
val_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        data_prefix=dict(img_path='images/test2014', seg_map_path='annotations/test2014'),
        reduce_zero_label=True,
    )
)
test_dataloader = val_dataloader
