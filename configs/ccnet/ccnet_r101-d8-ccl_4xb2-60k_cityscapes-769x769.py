# CCNet (arXiv 1811.11721v2) with ResNet-101 on Cityscapes and the category-consistent loss, see docs/ccnet.md.
# 68.83 M parameters, 2237.38 GMACs at 1024x2048. Not run here.
# bash tools/dist_train.sh configs/ccnet/ccnet_r101-d8-ccl_4xb2-60k_cityscapes-769x769.py 4
_base_ = './ccnet_r101-d8_4xb2-60k_cityscapes-769x769.py'

model = dict(decode_head=dict(loss_category=dict(type='CategoryConsistentLoss'), category_channels=16))
