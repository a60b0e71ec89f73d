# CCNet (arXiv 1811.11721) with ResNet-101 on Cityscapes and online hard example mining, as its README recommends.
# 68.82 M parameters, 2237.38 GMACs at 1024x2048. Not run here.
# bash tools/dist_train.sh configs/ccnet/ccnet_r101-d8-ohem_4xb2-60k_cityscapes-769x769.py 4
_base_ = './ccnet_r101-d8_4xb2-60k_cityscapes-769x769.py'

# Pixels whose class has a probability below 0.7 count, and in any case the worst 100 000 of a GPU's two images.
hard_pixels = dict(_delete_=True, type='OHEMCrossEntropyLoss', thresh=0.7, min_kept=100000)
model = dict(decode_head=dict(loss_decode=hard_pixels))
