# SegFormer (arXiv 2105.15203) with MiT-B3 on COCO-Stuff 164k; see docs/segformer.md.
# 47.35 M parameters, 53.41 GMACs at 512x512. Not run here.
# bash tools/dist_train.sh configs/segformer/segformer_mit-b3_8xb2-80k_coco-stuff164k-512x512.py 8
_base_ = [
    '../_base_/models/segformer_mit-b3.py',
    '../_base_/datasets/coco_stuff164k_512x512.py',
    '../_base_/schedules/adamw_80k.py',
    '../_base_/default_runtime.py',
]

model = dict(
    data_preprocessor=dict(size={{_base_.crop_size}}),
    decode_head=dict(num_classes={{_base_.num_classes}}),
)
