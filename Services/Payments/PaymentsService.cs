using ConcertSaga.Payments.Consumers;
using ConcertSaga.Payments.Data;
using ConcertSaga.Shared.Hosting.Databases;
using MassTransit;

namespace ConcertSaga.Payments;

/// <summary>The payments service: records who paid how much for which reservation.</summary>
public static class PaymentsService
{
    /// <summary>Registers the database.</summary>
    public static IHostApplicationBuilder AddPayments(this IHostApplicationBuilder builder) =>
        builder.AddDatabase<PaymentsDbContext, SqlitePaymentsDbContext, PostgreSqlPaymentsDbContext, SqlServerPaymentsDbContext>("Payments");

    /// <summary>Registers the handlers of payment commands.</summary>
    public static void AddPaymentsConsumers(this IBusRegistrationConfigurator bus)
    {
        bus.AddConsumer<ConfirmPaymentConsumer, ConfirmPaymentConsumerDefinition>();
        bus.AddConsumer<CancelPaymentConsumer, CancelPaymentConsumerDefinition>();
    }

    /// <summary>Maps nothing: payments are made through reservations only.</summary>
    public static void MapPayments(this IEndpointRouteBuilder routes) => _ = routes;
}
