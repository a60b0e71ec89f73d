# SegViT (arXiv 2210.05844) with ViT-B/16 on ADE20K; official model file, recipe of its ViT-L, see docs/segvit.md.
# 108.73 M parameters, 120.99 GMACs at 512x512. Not run here.
# bash tools/dist_train.sh configs/segvit/segvit_vit-b16_8xb2-160k_ade20k-512x512.py 8
_base_ = [
    '../_base_/models/segvit_vit-b16.py',
    '../_base_/datasets/ade20k_512x512.py',
    '../_base_/schedules/segvit_160k.py',
    '../_base_/default_runtime.py',
]

# windows need no sides of a multiple of 32
test_pipeline = [step for step in _base_.test_pipeline if step['type'] != 'ResizeToMultiple']
views = [step for step in _base_.tta_pipeline[1]['transforms'] if step[0]['type'] != 'ResizeToMultiple']
tta_pipeline = [dict(type='LoadImageFromFile'), dict(type='TestTimeAug', transforms=views)]
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
