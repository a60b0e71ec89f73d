# SegFormer (arXiv 2105.15203) with MiT-B1 on Pascal VOC 2012 (aug); see docs/segformer.md.
# 13.68 M parameters, 12.47 GMACs at 512x512. Not run here.
# bash tools/dist_train.sh configs/segformer/segformer_mit-b1_8xb2-80k_voc12aug-512x512.py 8
_base_ = [
    '../_base_/models/segformer_mit-b1.py',
    '../_base_/datasets/voc2012_aug_512x512.py',
    '../_base_/schedules/adamw_80k.py',
    '../_base_/default_runtime.py',
]

model = dict(
    data_preprocessor=dict(size={{_base_.crop_size}}),
    decode_head=dict(num_classes={{_base_.num_classes}}),
)
