import jsQR from "jsqr";
export default jsQR;
