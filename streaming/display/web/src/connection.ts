import { decodeBinary, type LiveFrame, type Notice, type Scene, type Target } from "./protocol";

export interface Listener {
  scene(scene: Scene): void;
  frame(frame: LiveFrame): void;
  notice(notice: Notice): void;
  connected(connected: boolean): void;
}

const RETRY_MS = 500;

/** The websocket to the display server. Acknowledges every frame (the server sends the next one only then). */
export class Connection {
  private socket: WebSocket | null = null;

  constructor(
    private readonly role: "therapist" | "patient",
    private readonly listener: Listener,
  ) {
    this.open();
  }

  blank(on: boolean): void {
    this.send({ type: "blank", on });
  }

  aim(target: Target): void {
    this.send({ type: "target", ...target });
  }

  private open(): void {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/live?role=${this.role}`);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.listener.connected(true);
    socket.onmessage = (message: MessageEvent<string | ArrayBuffer>) => this.receive(message.data);
    socket.onclose = () => {
      this.socket = null;
      this.listener.connected(false);
      setTimeout(() => this.open(), RETRY_MS);
    };
    this.socket = socket;
  }

  private receive(data: string | ArrayBuffer): void {
    if (typeof data === "string") {
      this.listener.notice(JSON.parse(data) as Notice);
      return;
    }
    const message = decodeBinary(data);
    if ("scene" in message) {
      this.listener.scene(message.scene);
    } else {
      this.send({ type: "ack", seq: message.frame.seq });
      this.listener.frame(message.frame);
    }
  }

  private send(message: object): void {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }
}
