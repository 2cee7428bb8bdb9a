using ConcertSaga.Seats;
using ConcertSaga.Seats.Import;
using ConcertSaga.Shared.Hosting;
using ConcertSaga.Shared.Hosting.Messaging;

return await ServiceHost.RunAsync("seats", args,
    builder =>
    {
        builder.AddSeats();
        builder.AddMessaging(bus => bus.AddSeatsConsumers());
    },
    app => app.MapSeats(),
    SeatsService.SeedDemoDataAsync,
    ImportCommand.Command);
