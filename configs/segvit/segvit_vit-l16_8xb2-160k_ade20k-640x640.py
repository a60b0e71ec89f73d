# SegViT (arXiv 2210.05844) with ViT-L/16 on ADE20K, official recipe, see docs/segvit.md.
# 344.30 M parameters, 638.07 GMACs at 640x640. Not run here.
# bash tools/dist_train.sh configs/segvit/segvit_vit-l16_8xb2-160k_ade20k-640x640.py 8
_base_ = [
    '../_base_/models/segvit_vit-l16.py',
    '../_base_/datasets/ade20k_640x640.py',
    '../_base_/schedules/segvit_160k.py',
    '../_base_/default_runtime.py',
]

model = dict(
    data_preprocessor=dict(size={{_base_.crop_size}}),
    backbone=dict(img_size={{_base_.crop_size}}),
    test_cfg=dict(crop_size={{_base_.crop_size}}, stride=(608, 608)),
)
# windows need no sides of a multiple of 32
test_pipeline = [step for step in _base_.test_pipeline if step['type'] != 'ResizeToMultiple']
views = [step for step in _base_.tta_pipeline[1]['transforms'] if step[0]['type'] != 'ResizeToMultiple']
tta_pipeline = [dict(type='LoadImageFromFile'), dict(type='TestTimeAug', transforms=views)]
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
