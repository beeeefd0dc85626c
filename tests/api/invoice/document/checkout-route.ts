// app/api/checkout/start/route.ts
import { payments } from "@/lib/payment-client";

export async function POST(req: Request) {
  const { orderId, provider } = await req.json();
  const order = await db.order.findUnique({ where: { id: orderId } });

  const inv = await payments.createInvoice({
    businessId: order.businessId,
    provider,
    sourceInvoiceId: order.id,                                    // YOUR id
    amount: order.totalTiyin,                                     // tiyin
    notifyUrl: `${process.env.API_PUBLIC_URL}/api/payments/webhook`,
    returnUrl: `${process.env.WEB_PUBLIC_URL}/orders/${order.id}`,
    lang: order.locale,
    ofd: order.lines.map(toOfdItem), // only Multicard needs this, but safe to send
  });

  await db.order.update({
    where: { id: order.id },
    data: {
      paymentInvoiceId: inv.id,
      paymentProvider: provider,
      paymentStatus: "pending",
    },
  });

  return Response.json({ checkoutUrl: inv.checkoutUrl });
}
