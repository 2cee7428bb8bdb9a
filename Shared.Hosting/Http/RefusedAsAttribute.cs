namespace ConcertSaga.Shared.Hosting.Http;

/// <summary>Sets the problem code of a missing or invalid member, if the route has a specific code for it.</summary>
/// <param name="code">The stable code that clients act on.</param>
[AttributeUsage(AttributeTargets.Property)]
public sealed class RefusedAsAttribute(string code) : Attribute
{
    /// <summary>The code.</summary>
    public string Code { get; } = code;
}
