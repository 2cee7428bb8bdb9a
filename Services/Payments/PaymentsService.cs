using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Payments;
using ConcertSaga.Payments.Consumers;
using ConcertSaga.Payments.Data;
using ConcertSaga.Payments.Endpoints;
using ConcertSaga.Shared.Hosting.Background;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Shared.Hosting.Messaging;
using ConcertSaga.Shared.Hosting.Operators;
using MassTransit;

namespace ConcertSaga.Payments;

/// <summary>The payments service: owns the payment of each reservation.</summary>
public static class PaymentsService
{
    /// <summary>Registers the database and the cleaner.</summary>
    public static IHostApplicationBuilder AddPayments(this IHostApplicationBuilder builder)
    {
        builder.Services.AddHostedSingleton<OperatorActionCleaner<PaymentsDbContext>>();
        return builder.AddDatabase<PaymentsDbContext, SqlitePaymentsDbContext, PostgreSqlPaymentsDbContext, SqlServerPaymentsDbContext>(
            "Payments");
    }

    /// <summary>Registers the handlers of payment commands and events.</summary>
    public static void AddPaymentsConsumers(this IBusRegistrationConfigurator bus)
    {
        bus.AddCommand<PaymentCommands, ConfirmPayment>(CommandQueues.ConfirmPayment);
        bus.AddCommand<PaymentCommands, CancelPayment>(CommandQueues.CancelPayment);
        bus.AddConsumer<ReservationsDeletedConsumer, ReservationsDeletedConsumerDefinition>();
    }

    /// <summary>Maps the routes for other services. Customers pay through reservations only.</summary>
    public static void MapPayments(this IEndpointRouteBuilder routes)
    {
        routes.MapPaymentFacts();
        routes.MapPaymentErasure();
        routes.MapOperatorActions<PaymentsDbContext>("payments");
    }
}
