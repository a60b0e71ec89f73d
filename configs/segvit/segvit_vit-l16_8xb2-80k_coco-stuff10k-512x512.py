# SegViT (arXiv 2210.05844) with ViT-L/16 on COCO-Stuff 10k, official recipe, see docs/segvit.md.
# 343.73 M parameters, 384.07 GMACs at 512x512. Not run here.
# bash tools/dist_train.sh configs/segvit/segvit_vit-l16_8xb2-80k_coco-stuff10k-512x512.py 8
_base_ = [
    '../_base_/models/segvit_vit-l16.py',
    '../_base_/datasets/coco_stuff10k_512x512.py',
    '../_base_/schedules/segvit_80k.py',
    '../_base_/default_runtime.py',
]

model = dict(decode_head=dict(num_classes={{_base_.num_classes}}))
optim_wrapper = dict(optimizer=dict(weight_decay=0.02))
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-6, by_epoch=False, begin=0, end=1500),
    dict(type='PolyLR', power=2.0, eta_min=0.0, by_epoch=False, begin=1500, end={{_base_.max_iters}}),
]
# no image is smaller than the window
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='ResizeShortestEdge', scale=512, max_size=10**6),
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
                dict(type='ResizeShortestEdge', scale=max(512, int(512 * ratio)), max_size=10**6)
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
