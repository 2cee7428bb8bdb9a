using System.Data;
using MassTransit.EntityFrameworkCoreIntegration;

namespace MassTransit.EntityFrameworkCoreIntegration
{
    /// <summary>Holds the settings of one context's outbox.</summary>
    /// <typeparam name="TDbContext">The context.</typeparam>
    public sealed class EntityFrameworkOutboxOptions<TDbContext>
    {
        /// <summary>How long inbox entries are kept, and therefore duplicates detected.</summary>
        public TimeSpan DuplicateDetectionWindow { get; set; } = TimeSpan.FromMinutes(30);

        /// <summary>The interval between two queries of the sweeper.</summary>
        public TimeSpan QueryDelay { get; set; } = TimeSpan.FromSeconds(1);

        /// <summary>How many messages one query of the sweeper returns.</summary>
        public int QueryMessageLimit { get; set; } = 100;

        /// <summary>The timeout of one query of the sweeper.</summary>
        public TimeSpan QueryTimeout { get; set; } = TimeSpan.FromSeconds(30);

        /// <summary>The isolation level of a consumer's transaction.</summary>
        public IsolationLevel IsolationLevel { get; set; } = IsolationLevel.ReadCommitted;

        /// <summary>Whether old inbox entries are deleted.</summary>
        public bool InboxCleanup { get; set; } = true;

        /// <summary>Whether this process delivers messages that were sent outside consumers.</summary>
        public bool BusOutboxDelivery { get; set; } = true;

        /// <summary>
        /// How long delivered messages are kept and resent at the next start. Set it for the in-memory transport, which loses its messages
        /// with the process; zero otherwise.
        /// </summary>
        public TimeSpan DeliveredRetention { get; set; }

        /// <summary>
        /// How long a process may take to deliver before another process or the sweeper may try too. It must be longer than the broker
        /// needs to confirm.
        /// </summary>
        public TimeSpan DeliveryLease { get; set; } = TimeSpan.FromSeconds(10);
    }
}

namespace MassTransit
{
    /// <summary>Configures the outbox of one context.</summary>
    public interface IEntityFrameworkOutboxConfigurator
    {
        /// <summary>How long inbox entries are kept, and therefore duplicates detected. Default 30 minutes.</summary>
        TimeSpan DuplicateDetectionWindow { set; }

        /// <summary>
        /// The interval between two queries of the sweeper. Messages that this process commits do not wait for it. The default is one
        /// second.
        /// </summary>
        TimeSpan QueryDelay { set; }

        /// <summary>How many messages one query of the sweeper returns. Default 100.</summary>
        int QueryMessageLimit { set; }

        /// <summary>The timeout of one query of the sweeper. Default 30 seconds.</summary>
        TimeSpan QueryTimeout { set; }

        /// <summary>The isolation of a consumer's transaction. Default <see cref="System.Data.IsolationLevel.ReadCommitted"/>.</summary>
        IsolationLevel IsolationLevel { set; }

        /// <summary>
        /// Accepted for compatibility, without effect: the outbox leases its rows without row locks.
        /// </summary>
        ILockStatementProvider LockStatementProvider { set; }

        /// <summary>
        /// How long delivered messages are kept and resent at the next start. Set it for the in-memory transport, which loses its messages
        /// with the process. Not part of MassTransit's documentation.
        /// </summary>
        TimeSpan DeliveredRetention { set; }

        /// <summary>Keeps old inbox entries instead of deleting them.</summary>
        void DisableInboxCleanupService();

        /// <summary>
        /// Lets messages that are sent outside a consumer join the context's next save and reach the broker after its commit. If several
        /// contexts have a bus outbox, choose one by its context: <c>[FromKeyedServices(typeof(OrdersDbContext))] IPublishEndpoint</c>.
        /// </summary>
        void UseBusOutbox(Action<IEntityFrameworkBusOutboxConfigurator>? configure = null);
    }

    /// <summary>Configures the delivery of messages that were sent outside consumers.</summary>
    public interface IEntityFrameworkBusOutboxConfigurator : IBusOutboxConfigurator
    {
        /// <summary>
        /// Accepted for compatibility, without effect: a unit of work is delivered as a whole.
        /// <see cref="IEntityFrameworkOutboxConfigurator.QueryMessageLimit"/> limits the sweeper's queries.
        /// </summary>
        int MessageDeliveryLimit { set; }

        /// <summary>
        /// How long a process may take to deliver before it or another process tries again. Default ten seconds.
        /// </summary>
        TimeSpan MessageDeliveryTimeout { set; }
    }
}
