using ConcertSaga.Shared.Hosting.Faults;
using MassTransit;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;

namespace ConcertSaga.Shared.Hosting.Messaging;

/// <summary>Puts a process on the configured bus.</summary>
public static class MessagingRegistration
{
    /// <summary>
    /// Adds the bus of this process with the consumers <paramref name="configure"/> adds, each on the queue its definition names. On RabbitMQ
    /// every work queue is a quorum queue with a delivery limit and a dead-letter queue <c>{queue}_dead</c>, and every publish is confirmed.
    /// A broker that is away degrades the process; it does not stop it.
    /// </summary>
    public static IHostApplicationBuilder AddMessaging(this IHostApplicationBuilder builder, Action<IBusRegistrationConfigurator> configure)
    {
        var options = builder.AddOptionsSection<MessagingOptions>("Messaging");
        var faults = builder.AddFaults();

        builder.Services.AddMassTransit(bus =>
        {
            bus.DisableUsageTelemetry();
            bus.ConfigureHealthCheckOptions(health =>
            {
                health.MinimalFailureStatus = HealthStatus.Degraded;
                health.Tags.Add("bus");
            });
            configure(bus);
            bus.AddConfigureEndpointsCallback((context, queue, endpoint) =>
            {
                endpoint.PrefetchCount = options.PrefetchCount;
                endpoint.ConcurrentMessageLimit = options.ConcurrentMessages;
                FailurePolicy.Apply(endpoint);
                // A temporary queue ends with its process; a quorum of replicas would be for nothing.
                if (endpoint is IRabbitMqReceiveEndpointConfigurator rabbit && !endpoint.InputAddress.Query.Contains("temporary=true"))
                    MakeQuorum(rabbit, queue, options);
            });

            if (options.Transport == MessagingTransport.InMemory)
            {
                bus.UsingInMemory((context, transport) =>
                {
                    faults.Apply(transport, context);
                    transport.ConfigureEndpoints(context);
                });
            }
            else
            {
                var address = BrokerAddress(builder.Configuration);
                bus.UsingRabbitMq((context, transport) =>
                {
                    transport.Host(address);
                    faults.Apply(transport, context);
                    transport.ConfigureEndpoints(context);
                });
            }
        });

        builder.Services.AddOptions<MassTransitHostOptions>().Configure(host =>
        {
            // The process serves reads while the broker is away, so the start does not wait for it.
            host.WaitUntilStarted = false;
            host.StopTimeout = TimeSpan.FromSeconds(25);
            host.ConsumerStopTimeout = TimeSpan.FromSeconds(20);
        });
        return builder;
    }

    private static void MakeQuorum(IRabbitMqReceiveEndpointConfigurator endpoint, string queue, MessagingOptions options)
    {
        endpoint.SetQuorumQueue();
        endpoint.SetQueueArgument("x-delivery-limit", options.DeliveryLimit);
        // At least once needs reject-publish; without a length limit nothing is ever rejected for it.
        endpoint.SetQueueArgument("x-dead-letter-strategy", "at-least-once");
        endpoint.SetQueueArgument("x-overflow", "reject-publish");
        endpoint.BindDeadLetterQueue($"{queue}_dead", $"{queue}_dead", dead => dead.SetQuorumQueue());
    }

    private static Uri BrokerAddress(IConfiguration configuration)
    {
        const string key = "ConnectionStrings:RabbitMq";
        const string allowed = "allowed: an address such as amqp://user:password@host:5672/";
        var text = configuration[key];
        if (string.IsNullOrWhiteSpace(text))
            throw new StartupException($"{key} is missing; {allowed}.");
        // The value may hold a password, so it is not repeated in the error.
        if (!Uri.TryCreate(text, UriKind.Absolute, out var address) || address.Scheme is not ("amqp" or "amqps" or "rabbitmq" or "rabbitmqs"))
            throw new StartupException($"{key} is not an AMQP address; {allowed}.");
        return address;
    }
}
