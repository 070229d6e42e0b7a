type Child = Node | string;

/** A DOM element with a class, attributes and children. */
export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  className = "",
  attributes: Record<string, string> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  if (className) element.className = className;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Set text only when it changed: assigning equal text still costs layout. */
export function setText(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

export function panel(title: string, className: string, ...children: Child[]): HTMLElement {
  return el("section", `panel ${className}`, { "aria-label": title }, el("h2", "", {}, title), ...children);
}
