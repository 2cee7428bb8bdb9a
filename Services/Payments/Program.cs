using ConcertSaga.Payments;
using ConcertSaga.Shared.Hosting;
using ConcertSaga.Shared.Hosting.Messaging;

return await ServiceHost.RunAsync("payments", args,
    builder =>
    {
        builder.AddPayments();
        builder.AddMessaging(bus => bus.AddPaymentsConsumers());
    },
    app => app.MapPayments());
