using System.Reflection;

namespace ConcertSaga.Storefront;

/// <summary>The files of the storefront, as resources of this assembly. The gateway serves them.</summary>
public static class StorefrontFiles
{
    /// <summary>The assembly whose resources are the files, by their path below <c>wwwroot</c>.</summary>
    public static Assembly Assembly => typeof(StorefrontFiles).Assembly;
}
