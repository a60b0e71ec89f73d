# SeaFormer-L (arXiv 2301.13156) on COCO-Stuff 10k; recipe of the official T, S and B, see docs/seaformer.md.
# 13.96 M parameters, 6.36 GMACs at 512x512. Not run here.
# bash tools/dist_train.sh configs/seaformer/seaformer_seaformer-l_8xb4-80k_coco-stuff10k-512x512.py 8
_base_ = [
    '../_base_/models/seaformer_seaformer-l.py',
    '../_base_/datasets/coco_stuff10k_512x512.py',
    '../_base_/schedules/seaformer_80k.py',
    '../_base_/default_runtime.py',
]

model = dict(
    data_preprocessor=dict(size={{_base_.crop_size}}),
    decode_head=dict(num_classes={{_base_.num_classes}}),
)
train_dataloader = dict(batch_size=4)
