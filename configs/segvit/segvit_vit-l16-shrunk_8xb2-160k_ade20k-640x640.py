# SegViT Shrunk (arXiv 2210.05844) with ViT-L/16 on ADE20K, official recipe, see docs/segvit.md.
# 344.60 M parameters, 373.12 GMACs at 640x640. Not run here.
# bash tools/dist_train.sh configs/segvit/segvit_vit-l16-shrunk_8xb2-160k_ade20k-640x640.py 8
_base_ = './segvit_vit-l16_8xb2-160k_ade20k-640x640.py'

model = dict(
    backbone=dict(type='ShrunkVisionTransformer', shrink_at=8, out_indices=[7, 23]),
    decode_head=dict(
        type='ShrunkATMHead',
        in_channels=[1024, 1024],
        grid_size=(640 // 16, 640 // 16),
    ),
)
